sql_sources = \
	src/sql/classify.c \
	src/sql/classify.h \
	src/sql/digest.c \
	src/sql/digest.h \
	src/sql/lexer.c \
	src/sql/lexer.h \
	src/sql/normalize.c \
	src/sql/parser.c \
	src/sql/parser.h \
	src/sql/preparable.c \
	src/sql/recall.c \
	src/sql/recall.h \
	src/sql/setting.c \
	src/sql/setting.h \
	src/sql/shape.c \
	src/sql/shape.h \
	src/sql/trace.c \
	src/sql/trace.h \
	src/sql/utf8.c \
	src/sql/utf8.h \
	src/sql/words.c \
	src/sql/words.h

src_libpgusher_a_SOURCES += $(sql_sources)
