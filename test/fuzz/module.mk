# Fuzz targets: test/fuzz/fuzz_X.c with its corpus in test/fuzz/corpus/fuzz_X/.
# "make check" runs every corpus file once.  To fuzz:
#
#	./configure CC=clang --enable-fuzz && make check
#	test/fuzz/fuzz_startup NEW_CORPUS_DIR test/fuzz/corpus/fuzz_startup

# A target is three lines, SOURCES with $(fuzz_main) and LDADD as here.
fuzz_programs =

fuzz_ldadd = $(pgusher_libs) $(FUZZ_LDFLAGS)
if ENABLE_FUZZ
fuzz_main =
else
fuzz_main = test/fuzz/replay.c
endif

fuzz_programs += test/fuzz/fuzz_backend
test_fuzz_fuzz_backend_SOURCES = test/fuzz/fuzz_backend.c $(fuzz_main)
test_fuzz_fuzz_backend_LDADD = $(fuzz_ldadd)

fuzz_programs += test/fuzz/fuzz_console
test_fuzz_fuzz_console_SOURCES = test/fuzz/fuzz_console.c $(fuzz_main)
test_fuzz_fuzz_console_LDADD = $(fuzz_ldadd)

fuzz_programs += test/fuzz/fuzz_frontend
test_fuzz_fuzz_frontend_SOURCES = test/fuzz/fuzz_frontend.c $(fuzz_main)
test_fuzz_fuzz_frontend_LDADD = $(fuzz_ldadd)

fuzz_programs += test/fuzz/fuzz_hba
test_fuzz_fuzz_hba_SOURCES = test/fuzz/fuzz_hba.c $(fuzz_main)
test_fuzz_fuzz_hba_LDADD = $(fuzz_ldadd)

fuzz_programs += test/fuzz/fuzz_http
test_fuzz_fuzz_http_SOURCES = test/fuzz/fuzz_http.c $(fuzz_main)
test_fuzz_fuzz_http_LDADD = $(fuzz_ldadd)

fuzz_programs += test/fuzz/fuzz_ini
test_fuzz_fuzz_ini_SOURCES = test/fuzz/fuzz_ini.c $(fuzz_main)
test_fuzz_fuzz_ini_LDADD = $(fuzz_ldadd)

fuzz_programs += test/fuzz/fuzz_proxy
test_fuzz_fuzz_proxy_SOURCES = test/fuzz/fuzz_proxy.c $(fuzz_main)
test_fuzz_fuzz_proxy_LDADD = $(fuzz_ldadd)

fuzz_programs += test/fuzz/fuzz_sql
test_fuzz_fuzz_sql_SOURCES = test/fuzz/fuzz_sql.c $(fuzz_main)
test_fuzz_fuzz_sql_LDADD = $(fuzz_ldadd)

fuzz_programs += test/fuzz/fuzz_startup
test_fuzz_fuzz_startup_SOURCES = test/fuzz/fuzz_startup.c $(fuzz_main)
test_fuzz_fuzz_startup_LDADD = $(fuzz_ldadd)

fuzz_programs += test/fuzz/fuzz_scram_server test/fuzz/fuzz_scram_client
test_fuzz_fuzz_scram_server_SOURCES = test/fuzz/fuzz_scram_server.c $(fuzz_main)
test_fuzz_fuzz_scram_client_SOURCES = test/fuzz/fuzz_scram_client.c $(fuzz_main)
test_fuzz_fuzz_scram_server_LDADD = $(fuzz_ldadd)
test_fuzz_fuzz_scram_client_LDADD = $(fuzz_ldadd)

fuzz_programs += test/fuzz/fuzz_threat
test_fuzz_fuzz_threat_SOURCES = test/fuzz/fuzz_threat.c $(fuzz_main)
test_fuzz_fuzz_threat_LDADD = $(fuzz_ldadd)

fuzz_programs += test/fuzz/fuzz_tls
test_fuzz_fuzz_tls_SOURCES = test/fuzz/fuzz_tls.c test/unit/net/certs.c test/unit/net/certs.h $(fuzz_main)
test_fuzz_fuzz_tls_LDADD = $(fuzz_ldadd)

fuzz_programs += test/fuzz/fuzz_trace
test_fuzz_fuzz_trace_SOURCES = test/fuzz/fuzz_trace.c $(fuzz_main)
test_fuzz_fuzz_trace_LDADD = $(fuzz_ldadd)

check_PROGRAMS += $(fuzz_programs)
TESTS += test/fuzz/replay-corpora
AM_TESTS_ENVIRONMENT = FUZZ_PROGRAMS='$(fuzz_programs)'; export FUZZ_PROGRAMS;
EXTRA_DIST += test/fuzz/replay-corpora test/fuzz/corpus
