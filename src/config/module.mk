config_sources =

src_libpgusher_a_SOURCES += $(config_sources)
