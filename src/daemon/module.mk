# Without main.c, which is the program itself.
daemon_sources =

src_libpgusher_a_SOURCES += $(daemon_sources)
