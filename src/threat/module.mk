threat_sources = \
	src/threat/constant.c \
	src/threat/constant.h \
	src/threat/habit.c \
	src/threat/habit.h \
	src/threat/habit_file.c \
	src/threat/habit_file.h \
	src/threat/rules.c \
	src/threat/rules.h \
	src/threat/terms.c \
	src/threat/terms.h \
	src/threat/threat.c \
	src/threat/threat.h

src_libpgusher_a_SOURCES += $(threat_sources)
