;; Calls the host again from the function by which the host asks for room.
(component
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-environment" (func (result (list (tuple string string)))))))
  (core module $table (table (export "table") 1 funcref))
  (core instance $table (instantiate $table))
  (core module $memory
    (import "late" "table" (table 1 funcref))
    (type $get (func (param i32)))
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (call_indirect (type $get) (i32.const 256) (i32.const 0))
      (i32.const 512)))
  (core instance $memory (instantiate $memory
    (with "late" (instance (export "table" (table $table "table"))))))
  (core func $get (canon lower (func $environment "get-environment")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core module $m
    (import "late" "table" (table 1 funcref))
    (import "host" "get" (func $get (param i32)))
    (elem (i32.const 0) func $get)
    (func (export "run") (result i32) (call $get (i32.const 0)) (i32.const 0)))
  (core instance $i (instantiate $m
    (with "late" (instance (export "table" (table $table "table"))))
    (with "host" (instance (export "get" (func $get))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))
