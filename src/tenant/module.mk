tenant_sources = \
	src/tenant/budget.c \
	src/tenant/budget.h \
	src/tenant/tenant.c \
	src/tenant/tenant.h \
	src/tenant/user.c \
	src/tenant/user.h

src_libpgusher_a_SOURCES += $(tenant_sources)
