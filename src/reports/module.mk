reports_sources = \
	src/reports/performance.h \
	src/reports/reports.h

src_libpgusher_a_SOURCES += $(reports_sources)
