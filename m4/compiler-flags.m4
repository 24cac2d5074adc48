# PGUSHER_COMPILE_FLAG(VARIABLE, FLAG)
# Append FLAG to VARIABLE if the compiler takes it without a word.  -Werror makes
# clang refuse what it would ignore, and FORTIFY_SOURCE refuse an unoptimized build.
AC_DEFUN([PGUSHER_COMPILE_FLAG], [
	AS_VAR_PUSHDEF([result], [pgusher_cv_cflag_$2])
	AC_CACHE_CHECK([whether $CC accepts $2], [result], [
		pgusher_saved_CFLAGS=$CFLAGS
		CFLAGS="$CFLAGS -Werror $2"
		AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <string.h>]], [[]])],
			[AS_VAR_SET([result], [yes])], [AS_VAR_SET([result], [no])])
		CFLAGS=$pgusher_saved_CFLAGS
	])
	AS_VAR_IF([result], [yes], [$1="$$1 $2"])
	AS_VAR_POPDEF([result])
])

# PGUSHER_LINK_FLAG(VARIABLE, FLAG)
AC_DEFUN([PGUSHER_LINK_FLAG], [
	AS_VAR_PUSHDEF([result], [pgusher_cv_ldflag_$2])
	AC_CACHE_CHECK([whether the linker accepts $2], [result], [
		pgusher_saved_LDFLAGS=$LDFLAGS
		LDFLAGS="$LDFLAGS -Werror $2"
		AC_LINK_IFELSE([AC_LANG_PROGRAM([[]], [[]])],
			[AS_VAR_SET([result], [yes])], [AS_VAR_SET([result], [no])])
		LDFLAGS=$pgusher_saved_LDFLAGS
	])
	AS_VAR_IF([result], [yes], [$1="$$1 $2"])
	AS_VAR_POPDEF([result])
])

# PGUSHER_SANITIZER(FLAG, HINT)
# Instrument everything with FLAG, or stop: a run that was asked for must not be a plain one.
AC_DEFUN([PGUSHER_SANITIZER], [
	AC_MSG_CHECKING([whether $CC can link with $1])
	pgusher_saved_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS $1"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([[]], [[]])],
		[AC_MSG_RESULT([yes])],
		[AC_MSG_RESULT([no])
		 AC_MSG_ERROR([$CC can't link with $1; $2])])
	CFLAGS=$pgusher_saved_CFLAGS
	SANITIZE_CFLAGS="$SANITIZE_CFLAGS $1"
])
