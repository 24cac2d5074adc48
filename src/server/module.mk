server_sources =

src_libpgusher_a_SOURCES += $(server_sources)
