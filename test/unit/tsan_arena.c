/*
 * For the thread sanitizer only: Criterion (its library boxfort) maps its arena at an address that it
 * draws with rand_r, between 0x200000000000 and 0x600000000000 in steps of 16 MB.  TSan lets programs
 * map below 0x550000000000 only what it wants for itself, so nearly every draw ends the run.  Drawn
 * here, the address lies in TSan's window for programs, below where they are loaded.
 */
#include <stdlib.h>

#define STEPS_TO_WINDOW 0x350000
#define STEPS_IN_WINDOW 0x4000

int
rand_r(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return STEPS_TO_WINDOW + (int)((*seed >> 16) % STEPS_IN_WINDOW);
}
