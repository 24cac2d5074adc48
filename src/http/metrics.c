#include "http/metrics.h"

void
metrics_serve(struct exchange *x)
{
	exchange_problem(x, 501, "There are no metrics yet.");
}
