auth_sources =

src_libpgusher_a_SOURCES += $(auth_sources)
