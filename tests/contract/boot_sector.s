.code16
.globl _start
_start:
  ljmp $0,$main
main:
  xorw %ax,%ax
  movw %ax,%ds
  movw %ax,%es
  movw %ax,%ss
  movw $0x7c00,%sp
  movw $0x602,%dx      # PM1 enable: power button
  movw $0x100,%ax
  outw %ax,%dx
  movw $0x2f8,%bp      # the second serial port, if there is one
  movw $second,%si
  call puts
  movw $0x3f8,%bp      # the console, from here on
  movw $hello,%si
  call puts
  sti
again:
  movw %ds:0x46c,%bx   # BIOS tick counter
wait:
  cmpb $0,flood
  jne tick
  hlt
  call poll
  cmpw %ds:0x46c,%bx
  je wait
tick:
  movw $word,%si
  call puts
  movl count,%eax
  incl %eax
  movl %eax,count
  movw $8,%cx
hex:
  roll $4,%eax
  pushl %eax
  andb $15,%al
  addb $'0',%al
  cmpb $'9',%al
  jbe 1f
  addb $39,%al
1: call putc
  popl %eax
  loop hex
  movb $'\n',%al
  call putc
  call poll
  jmp again
poll:
  movw $0x600,%dx
  inw %dx,%ax
  testw $0x100,%ax
  jnz off
  movw $0x3fd,%dx
  inb %dx,%al
  testb $1,%al
  jz 9f
  movw $0x3f8,%dx
  inb %dx,%al
  cmpb $'q',%al
  je off
  cmpb $'r',%al
  je reset
  cmpb $'f',%al
  jne 2f
  xorb $1,flood
2: cmpb $'t',%al
  je triple
  call putc
9: movw $0x2fd,%dx
  inb %dx,%al
  cmpb $0xff,%al       # nothing is there
  je 8f
  testb $1,%al
  jz 8f
  movw $0x2f8,%dx
  inb %dx,%al
  outb %al,%dx
8: ret
off:
  movw $0x604,%dx
  movw $0x2000,%ax
  outw %ax,%dx
  jmp off
reset:
  movw $0xcf9,%dx
  movb $6,%al
  outb %al,%dx
  jmp reset
triple:
  hlt
  cli
  hlt
puts:
  lodsb
  testb %al,%al
  jz 8b
  call putc
  jmp puts
putc:
  pushw %ax
  leaw 5(%bp),%dx
3: inb %dx,%al
  testb $0x20,%al
  jz 3b
  popw %ax
  movw %bp,%dx
  outb %al,%dx
  ret
hello: .asciz "hello\n"
second: .asciz "port 1 says hello\n"
word: .asciz "tick "
count: .long 0
flood: .byte 0
.org 510
.word 0xaa55
