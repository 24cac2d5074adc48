server_sources = \
	src/server/authentication.c \
	src/server/authentication.h \
	src/server/known_keys.c \
	src/server/known_keys.h \
	src/server/login.c \
	src/server/login.h \
	src/server/security.c \
	src/server/security.h \
	src/server/server.c \
	src/server/server.h

src_libpgusher_a_SOURCES += $(server_sources)
