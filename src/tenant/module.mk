tenant_sources = \
	src/tenant/admit.c \
	src/tenant/budget.c \
	src/tenant/budget.h \
	src/tenant/catalogue.c \
	src/tenant/catalogue.h \
	src/tenant/courier.c \
	src/tenant/courier.h \
	src/tenant/host.c \
	src/tenant/host.h \
	src/tenant/host_inside.h \
	src/tenant/lease.c \
	src/tenant/lease.h \
	src/tenant/limited.h \
	src/tenant/limits.c \
	src/tenant/limits.h \
	src/tenant/place.c \
	src/tenant/rate.c \
	src/tenant/rate.h \
	src/tenant/route.c \
	src/tenant/route.h \
	src/tenant/spread.c \
	src/tenant/spread.h \
	src/tenant/tenant.c \
	src/tenant/tenant.h \
	src/tenant/user.c \
	src/tenant/user.h \
	src/tenant/yield.c

src_libpgusher_a_SOURCES += $(tenant_sources)
