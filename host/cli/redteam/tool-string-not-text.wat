;; Answers with bytes that are no text.
(memory (export "memory") 1)
(data (i32.const 64) "\ff\fe\c0\80\ed\a0\80")
(func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0x8000))
(func (export "call") (param i32 i32 i32 i32 i32 i32) (result i32)
  (i32.store offset=8 (i32.const 512) (i32.const 64))
  (i32.store offset=12 (i32.const 512) (i32.const 7))
  (i32.const 512))
