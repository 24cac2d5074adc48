reports_sources = \
	src/reports/console_facts.h \
	src/reports/databases.c \
	src/reports/fds.c \
	src/reports/inside.h \
	src/reports/lists.c \
	src/reports/performance.h \
	src/reports/pools.c \
	src/reports/reports.c \
	src/reports/reports.h \
	src/reports/settings.c \
	src/reports/sockets.c \
	src/reports/stats.c \
	src/reports/tally.c \
	src/reports/users.c

src_libpgusher_a_SOURCES += $(reports_sources)
