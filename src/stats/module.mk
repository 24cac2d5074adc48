stats_sources =

src_libpgusher_a_SOURCES += $(stats_sources)
