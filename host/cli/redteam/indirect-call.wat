;; Calls what is not a function of that type, and what is none.
(component
  (core module $m
    (table 8 funcref)
    (elem (i32.const 0) func $other)
    (type $wanted (func (param i64) (result i64)))
    (func $other)
    (func (export "run") (result i32)
      (drop (call_indirect (type $wanted) (i64.const 0) (i32.const 0)))
      (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))
