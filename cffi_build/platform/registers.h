/* registers.h: implemented once per machine, by registers_<machine>.c. */
#ifndef SM_REGISTERS_H
#define SM_REGISTERS_H

/* Zeroes the registers that C code may leave data in. */
void sm_clear_registers(void);

#endif
