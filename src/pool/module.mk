pool_sources = \
	src/pool/cancel.c \
	src/pool/grow.c \
	src/pool/inside.h \
	src/pool/pool.c \
	src/pool/pool.h \
	src/pool/upkeep.c

src_libpgusher_a_SOURCES += $(pool_sources)
