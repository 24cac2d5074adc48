TESTS += test/lint/layers test/lint/layers-test test/lint/headers test/lint/keys
EXTRA_DIST += test/lint/layers test/lint/layers-test test/lint/headers test/lint/keys
