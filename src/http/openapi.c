#include "http/openapi.h"

#include "http/page.h"

static const unsigned char openapi[] = {
#include "http/openapi.json.inc"
};

static const struct page_file file = {
	.path = "/openapi.json",
	.type = "application/vnd.oai.openapi+json;version=3.1",
	.bytes = openapi,
	.n = sizeof(openapi),
	.etag = NULL,
};

void
openapi_serve(struct exchange *x)
{
	exchange_reply_file(x, &file);
}
