client_sources = \
	src/client/client.c \
	src/client/client.h \
	src/client/login.c \
	src/client/login.h

src_libpgusher_a_SOURCES += $(client_sources)
