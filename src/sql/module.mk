sql_sources = \
	src/sql/classify.h \
	src/sql/digest.h \
	src/sql/trace.h

src_libpgusher_a_SOURCES += $(sql_sources)
