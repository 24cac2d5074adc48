stats_sources = \
	src/stats/queries.h \
	src/stats/slow_query.h \
	src/stats/traffic.c \
	src/stats/traffic.h

src_libpgusher_a_SOURCES += $(stats_sources)
