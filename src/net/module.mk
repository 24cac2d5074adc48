net_sources =

src_libpgusher_a_SOURCES += $(net_sources)
