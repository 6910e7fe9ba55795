;; Lets a table grow until that is refused. The end of a program that got more than
;; `tables` lets it have is 0.
(component
  (core module $m
    (table $t 1 funcref)
    (func (export "run") (result i32)
      (loop $again
        (br_if $again
          (i32.ne (table.grow $t (ref.null func) (i32.const 65536)) (i32.const -1))))
      (i32.le_u (table.size $t) (i32.const 200000))))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))
