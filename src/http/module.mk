http_sources = \
	src/http/http.h

src_libpgusher_a_SOURCES += $(http_sources)
