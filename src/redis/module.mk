redis_sources = \
	src/redis/redis.c \
	src/redis/redis.h \
	src/redis/reply.c \
	src/redis/reply.h \
	src/redis/url.c \
	src/redis/url.h

src_libpgusher_a_SOURCES += $(redis_sources)
