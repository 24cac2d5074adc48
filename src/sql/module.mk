sql_sources =

src_libpgusher_a_SOURCES += $(sql_sources)
