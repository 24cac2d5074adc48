console_sources =

src_libpgusher_a_SOURCES += $(console_sources)
