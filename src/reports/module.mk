reports_sources = \
	src/reports/alerts.c \
	src/reports/bans.c \
	src/reports/catalogue.c \
	src/reports/choice.c \
	src/reports/choice.h \
	src/reports/console_facts.h \
	src/reports/databases.c \
	src/reports/fds.c \
	src/reports/gather.c \
	src/reports/gather.h \
	src/reports/hosts.c \
	src/reports/inside.h \
	src/reports/latency.c \
	src/reports/limits.c \
	src/reports/lists.c \
	src/reports/performance.c \
	src/reports/performance.h \
	src/reports/pools.c \
	src/reports/queries.c \
	src/reports/reports.c \
	src/reports/reports.h \
	src/reports/settings.c \
	src/reports/slow_queries.c \
	src/reports/sockets.c \
	src/reports/stats.c \
	src/reports/stock.c \
	src/reports/stock.h \
	src/reports/sum_row.c \
	src/reports/sum_row.h \
	src/reports/tally.c \
	src/reports/tenant.c \
	src/reports/tenants.c \
	src/reports/threats.c \
	src/reports/users.c

src_libpgusher_a_SOURCES += $(reports_sources)
