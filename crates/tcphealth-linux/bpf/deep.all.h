#include "walk.fields.h"
#include "stubs.fields.h"
#include "deep.fields.h"
