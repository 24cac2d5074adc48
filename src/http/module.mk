http_sources = \
	src/http/exchange.h \
	src/http/http.h \
	src/http/metrics.c \
	src/http/metrics.h \
	src/http/metrics_text.c \
	src/http/metrics_text.h \
	src/http/openapi.c \
	src/http/openapi.h \
	src/http/page.c \
	src/http/page.h \
	src/http/parameters.h \
	src/http/route.h

src_libpgusher_a_SOURCES += $(http_sources)
