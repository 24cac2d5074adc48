tenant_sources =

src_libpgusher_a_SOURCES += $(tenant_sources)
