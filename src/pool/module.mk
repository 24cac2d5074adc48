pool_sources =

src_libpgusher_a_SOURCES += $(pool_sources)
