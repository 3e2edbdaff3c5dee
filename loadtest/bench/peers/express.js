// express.js – /fast as the Express tutorial writes it.
'use strict'
const express = require('express')
const { text, type, port } = require('./answer')

const app = express()
app.get('/fast', (request, response) => {
  response.set('Cache-Control', 'no-store').type(type).send(text)
})
app.listen(port, '127.0.0.1', 4096)
