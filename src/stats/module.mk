stats_sources = \
	src/stats/alarms.c \
	src/stats/alarms.h \
	src/stats/applications.c \
	src/stats/applications.h \
	src/stats/collect.c \
	src/stats/count.c \
	src/stats/counters.c \
	src/stats/counters.h \
	src/stats/inside.h \
	src/stats/order.c \
	src/stats/order.h \
	src/stats/queries.h \
	src/stats/ranking.c \
	src/stats/ranking.h \
	src/stats/recent.c \
	src/stats/recent.h \
	src/stats/reset.c \
	src/stats/room.c \
	src/stats/rows.c \
	src/stats/rows.h \
	src/stats/slow_query.c \
	src/stats/slow_query.h \
	src/stats/store.c \
	src/stats/store.h \
	src/stats/table.c \
	src/stats/table.h \
	src/stats/traffic.c \
	src/stats/traffic.h

src_libpgusher_a_SOURCES += $(stats_sources)
