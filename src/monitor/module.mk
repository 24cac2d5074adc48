monitor_sources = \
	src/monitor/alerts.c \
	src/monitor/alerts.h \
	src/monitor/history.c \
	src/monitor/history.h \
	src/monitor/lookout.c \
	src/monitor/lookout.h \
	src/monitor/monitor.c \
	src/monitor/monitor.h \
	src/monitor/notice.c \
	src/monitor/notice.h \
	src/monitor/post.c \
	src/monitor/post.h \
	src/monitor/ring.h \
	src/monitor/slow_line.c \
	src/monitor/slow_line.h \
	src/monitor/slow_log.c \
	src/monitor/slow_log.h \
	src/monitor/threats.c \
	src/monitor/threats.h \
	src/monitor/webhook.c \
	src/monitor/webhook.h

src_libpgusher_a_SOURCES += $(monitor_sources)
