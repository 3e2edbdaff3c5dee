// answer.js – the answer that every server of the bench gives to /fast.
'use strict'
exports.text = 'fast: the event loop answered at once\n'
exports.type = 'text/plain; charset=utf-8'
exports.port = Number(process.argv[2])
