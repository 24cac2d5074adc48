pool_sources = \
	src/pool/auto.c \
	src/pool/cancel.c \
	src/pool/farewell.c \
	src/pool/grow.c \
	src/pool/inside.h \
	src/pool/pace.c \
	src/pool/pace.h \
	src/pool/pool.c \
	src/pool/pool.h \
	src/pool/replica.c \
	src/pool/share.c \
	src/pool/steer.c \
	src/pool/steer.h \
	src/pool/upkeep.c

src_libpgusher_a_SOURCES += $(pool_sources)
