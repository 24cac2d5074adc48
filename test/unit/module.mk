# Criterion tests: test/unit/FOLDER/test_MODULE.c for src/FOLDER/MODULE.c, one
# program a folder.  A new file is a line in its folder's list.  A folder's first
# file is a block of its own:
#
#	unit_programs += test/unit/auth/run
#	test_unit_auth_run_SOURCES = \
#		test/unit/auth/test_scram.c
#
# All run under test/unit/run-clean.  By hand:
# test/unit/pg/run --filter 'startup/*' (or --list, --jobs 1).

unit_programs =

unit_programs += test/unit/auth/run
test_unit_auth_run_SOURCES = \
	test/unit/auth/test_base64.c \
	test/unit/auth/test_hba.c \
	test/unit/auth/test_ident.c \
	test/unit/auth/test_saslprep.c \
	test/unit/auth/test_scram.c \
	test/unit/auth/test_scram_middle.c \
	test/unit/auth/test_scram_plus.c \
	test/unit/auth/test_secret.c

unit_programs += test/unit/base/run
test_unit_base_run_SOURCES = \
	test/unit/base/test_buffer.c \
	test/unit/base/test_clock.c \
	test/unit/base/test_error.c \
	test/unit/base/test_histogram.c \
	test/unit/base/test_json.c \
	test/unit/base/test_log.c \
	test/unit/base/test_memory.c \
	test/unit/base/test_report.c \
	test/unit/base/test_strings.c

unit_programs += test/unit/client/run
test_unit_client_run_SOURCES = \
	test/unit/client/stage.c \
	test/unit/client/stage.h \
	test/unit/client/test_attempts.c \
	test/unit/client/test_bans.c \
	test/unit/client/test_identity.c \
	test/unit/client/test_login.c \
	test/unit/client/test_startup.c \
	test/unit/client/test_tls.c \
	test/unit/client/test_upkeep.c \
	test/unit/client/test_verifiers.c \
	test/unit/net/certs.c \
	test/unit/net/certs.h \
	test/unit/net/until.c

unit_programs += test/unit/config/run
test_unit_config_run_SOURCES = \
	test/unit/config/files.c \
	test/unit/config/files.h \
	test/unit/config/test_access.c \
	test/unit/config/test_config.c \
	test/unit/config/test_connstr.c \
	test/unit/config/test_contexts.c \
	test/unit/config/test_demands.c \
	test/unit/config/test_hosts.c \
	test/unit/config/test_http.c \
	test/unit/config/test_ini.c \
	test/unit/config/test_keys.c \
	test/unit/config/test_limits.c \
	test/unit/config/test_networks.c \
	test/unit/config/test_reference.c \
	test/unit/config/test_tenants.c \
	test/unit/config/test_userlist.c \
	test/unit/config/test_value.c \
	test/unit/net/certs.c \
	test/unit/net/certs.h

unit_programs += test/unit/console/run
test_unit_console_run_SOURCES = \
	test/unit/console/test_binary.c \
	test/unit/console/test_syntax.c

unit_programs += test/unit/daemon/run
test_unit_daemon_run_SOURCES = \
	test/unit/daemon/test_move.c \
	test/unit/daemon/test_spreader.c

unit_programs += test/unit/http/run
test_unit_http_run_SOURCES = \
	test/unit/http/test_auth.c \
	test/unit/http/test_head.c \
	test/unit/http/test_host.c \
	test/unit/http/test_json.c \
	test/unit/http/test_metrics_collect.c \
	test/unit/http/test_metrics_tenants.c \
	test/unit/http/test_metrics_text.c \
	test/unit/http/test_page.c \
	test/unit/http/test_parameters.c \
	test/unit/session/harness.c \
	test/unit/session/talk.c

unit_programs += test/unit/identity/run
test_unit_identity_run_SOURCES = \
	test/unit/identity/test_deadline.c \
	test/unit/identity/test_directory.c

unit_programs += test/unit/monitor/run
test_unit_monitor_run_SOURCES = \
	test/unit/monitor/receiver.c \
	test/unit/monitor/receiver.h \
	test/unit/monitor/stage.c \
	test/unit/monitor/stage.h \
	test/unit/monitor/test_alerts.c \
	test/unit/monitor/test_history.c \
	test/unit/monitor/test_monitor.c \
	test/unit/monitor/test_notice.c \
	test/unit/monitor/test_slow_line.c \
	test/unit/monitor/test_slow_log.c \
	test/unit/monitor/test_webhook.c \
	test/unit/net/until.c

unit_programs += test/unit/net/run
test_unit_net_run_SOURCES = \
	test/unit/net/certs.c \
	test/unit/net/certs.h \
	test/unit/net/test_dial.c \
	test/unit/net/test_gather.c \
	test/unit/net/test_helpers.c \
	test/unit/net/test_inbox.c \
	test/unit/net/test_listener.c \
	test/unit/net/test_loop.c \
	test/unit/net/test_mailbox.c \
	test/unit/net/test_proxy.c \
	test/unit/net/test_stream.c \
	test/unit/net/test_tls.c \
	test/unit/net/test_tls_threads.c \
	test/unit/net/test_watch.c \
	test/unit/net/until.c \
	test/unit/net/until.h

unit_programs += test/unit/pg/run
test_unit_pg_run_SOURCES = \
	test/unit/pg/test_cancel.c \
	test/unit/pg/test_frame.c \
	test/unit/pg/test_params.c \
	test/unit/pg/test_reader.c \
	test/unit/pg/test_response.c \
	test/unit/pg/test_startup.c \
	test/unit/pg/test_writer.c

# Pools live in the shards that the session's tests run.
unit_programs += test/unit/pool/run
test_unit_pool_run_SOURCES = \
	test/unit/pool/test_cancel.c \
	test/unit/pool/test_pace.c \
	test/unit/pool/test_pool.c \
	test/unit/server/front.c \
	test/unit/session/harness.c \
	test/unit/session/talk.c

unit_programs += test/unit/reports/run
test_unit_reports_run_SOURCES = \
	test/unit/reports/stage.c \
	test/unit/reports/stage.h \
	test/unit/reports/test_choice.c \
	test/unit/reports/test_performance.c \
	test/unit/reports/test_reports.c \
	test/unit/reports/test_slices.c \
	test/unit/reports/test_stock.c

unit_programs += test/unit/server/run
test_unit_server_run_SOURCES = \
	test/unit/net/until.c \
	test/unit/server/front.c \
	test/unit/server/front.h \
	test/unit/server/scene.c \
	test/unit/server/scene.h \
	test/unit/server/test_hostile.c \
	test/unit/server/test_known_keys.c \
	test/unit/server/test_login.c \
	test/unit/server/test_security.c \
	test/unit/session/talk.c

unit_programs += test/unit/session/run
test_unit_session_run_SOURCES = \
	test/unit/session/harness.c \
	test/unit/session/harness.h \
	test/unit/session/talk.c \
	test/unit/session/talk.h \
	test/unit/session/test_authenticate.c \
	test/unit/session/test_cancel.c \
	test/unit/session/test_login.c \
	test/unit/session/test_lookup.c \
	test/unit/session/test_move.c \
	test/unit/session/test_names.c \
	test/unit/session/test_outstanding.c \
	test/unit/session/test_pipeline.c \
	test/unit/session/test_pipeline_model.c \
	test/unit/session/test_plan.c \
	test/unit/session/test_prepared.c \
	test/unit/session/test_reply.c \
	test/unit/session/test_request.c \
	test/unit/session/test_session.c \
	test/unit/session/test_statement.c \
	test/unit/session/test_timing.c \
	test/unit/session/test_tunnel.c \
	test/unit/session/test_values.c \
	test/unit/session/test_walk.c

unit_programs += test/unit/sql/run
test_unit_sql_run_SOURCES = \
	test/unit/sql/test_classify.c \
	test/unit/sql/test_digest.c \
	test/unit/sql/test_normalize.c \
	test/unit/sql/test_recall.c \
	test/unit/sql/test_setting.c \
	test/unit/sql/test_trace.c

unit_programs += test/unit/stats/run
test_unit_stats_run_SOURCES = \
	test/unit/stats/stage.c \
	test/unit/stats/stage.h \
	test/unit/stats/test_alarms.c \
	test/unit/stats/test_applications.c \
	test/unit/stats/test_counters.c \
	test/unit/stats/test_ranking.c \
	test/unit/stats/test_recent.c \
	test/unit/stats/test_room.c \
	test/unit/stats/test_rows.c \
	test/unit/stats/test_slow_query.c \
	test/unit/stats/test_store.c \
	test/unit/stats/test_table.c \
	test/unit/stats/test_traffic.c

unit_programs += test/unit/redis/run
test_unit_redis_run_SOURCES = \
	test/unit/redis/test_redis.c \
	test/unit/redis/test_reply.c \
	test/unit/redis/test_url.c

unit_programs += test/unit/tenant/run
test_unit_tenant_run_SOURCES = \
	test/unit/net/until.c \
	test/unit/tenant/test_budget.c \
	test/unit/tenant/test_catalogue.c \
	test/unit/tenant/test_host.c \
	test/unit/tenant/test_limits.c \
	test/unit/tenant/test_rate.c \
	test/unit/tenant/test_route.c \
	test/unit/tenant/test_spread.c \
	test/unit/tenant/test_tenant.c \
	test/unit/tenant/test_user.c

unit_programs += test/unit/threat/run
test_unit_threat_run_SOURCES = \
	test/unit/threat/test_habit.c \
	test/unit/threat/test_rules.c

LOG_COMPILER = $(srcdir)/test/unit/run-clean
EXTRA_DIST += test/unit/run-clean

# What a program without its own LDADD links: the unit tests.
LDADD = $(pgusher_libs) $(tsan_arena) $(CRITERION_LIBS)
# As an object, because libtsan has a rand_r that would win over one of an archive.
EXTRA_LIBRARIES = test/unit/libtsan_arena.a
test_unit_libtsan_arena_a_SOURCES = test/unit/tsan_arena.c
if ENABLE_TSAN
tsan_arena = test/unit/tsan_arena.$(OBJEXT)
endif

if HAVE_CRITERION
check_PROGRAMS += $(unit_programs)
TESTS += $(unit_programs)
AM_CPPFLAGS += $(CRITERION_CFLAGS)
else
EXTRA_PROGRAMS = $(unit_programs)
check-local:
	@echo 'make check: the unit tests need Criterion (Debian: libcriterion-dev); configure again when it is there' >&2
	@false
endif
