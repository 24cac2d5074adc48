session_sources =

src_libpgusher_a_SOURCES += $(session_sources)
