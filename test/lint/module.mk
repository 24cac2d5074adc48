TESTS += test/lint/layers test/lint/layers-test test/lint/headers
EXTRA_DIST += test/lint/layers test/lint/layers-test test/lint/headers
