config_sources = \
	src/config/arena.c \
	src/config/arena.h \
	src/config/config.c \
	src/config/config.h \
	src/config/connstr.c \
	src/config/connstr.h \
	src/config/file.c \
	src/config/file.h \
	src/config/ini.c \
	src/config/ini.h \
	src/config/keys.c \
	src/config/keys.h \
	src/config/load.c \
	src/config/load.h \
	src/config/lookup.c \
	src/config/lookup.h \
	src/config/scan.c \
	src/config/scan.h \
	src/config/snapshot.h \
	src/config/userlist.c \
	src/config/userlist.h \
	src/config/value.c \
	src/config/value.h

src_libpgusher_a_SOURCES += $(config_sources)
