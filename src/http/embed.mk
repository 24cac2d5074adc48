# Files that are part of the program: src/http/X becomes src/http/X.inc, its bytes as C numbers,
# in the build folder.  The source that has them says
#
#	static const unsigned char openapi[] = {
#	#include "http/openapi.json.inc"
#	};
#
# Each has a rule here, and the object that includes it a line that says so (the first build has
# no dependencies yet).

page_files = src/http/page/index.html src/http/page/style.css src/http/page/script.js
page_included = $(page_files:=.inc)

EXTRA_DIST += src/http/openapi.json $(page_files)
CLEANFILES += src/http/openapi.json.inc $(page_included)

embed = embed() { $(MKDIR_P) $(@D) && LC_ALL=C od -An -v -tx1 "$$1" | \
	LC_ALL=C $(SED) 's/ \(..\)/0x\1,/g' >"$$2.tmp" && mv -f "$$2.tmp" "$$2"; }; embed

src/http/openapi.json.inc: $(srcdir)/src/http/openapi.json
	$(AM_V_GEN)$(embed) $(srcdir)/src/http/openapi.json $@

src/http/openapi.$(OBJEXT): src/http/openapi.json.inc

src/http/page/index.html.inc: $(srcdir)/src/http/page/index.html
	$(AM_V_GEN)$(embed) $(srcdir)/src/http/page/index.html $@

src/http/page/style.css.inc: $(srcdir)/src/http/page/style.css
	$(AM_V_GEN)$(embed) $(srcdir)/src/http/page/style.css $@

src/http/page/script.js.inc: $(srcdir)/src/http/page/script.js
	$(AM_V_GEN)$(embed) $(srcdir)/src/http/page/script.js $@

src/http/page.$(OBJEXT): $(page_included)
