stats_sources = \
	src/stats/traffic.c \
	src/stats/traffic.h

src_libpgusher_a_SOURCES += $(stats_sources)
