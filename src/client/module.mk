client_sources =

src_libpgusher_a_SOURCES += $(client_sources)
