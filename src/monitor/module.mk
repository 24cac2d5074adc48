monitor_sources = \
	src/monitor/monitor.h

src_libpgusher_a_SOURCES += $(monitor_sources)
