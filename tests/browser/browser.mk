# browser.mk – what else is done in a browser. Included by the Makefile.

.PHONY: browser-bench pictures
browser-bench:
	@.ci/deps build browser
	@$(MAKE) --no-print-directory all
	@BUILD=$(BUILD) tests/browser/prepare node tests/browser/performance.js

pictures:
	@.ci/deps build browser pictures
	@$(MAKE) --no-print-directory all
	@BUILD=$(BUILD) tests/browser/prepare node tests/browser/pictures.js
