;; Hands over bytes as a string that are none.
(component
  (import "catena:plugin/log@0.1.0" (instance $log
    (type $enum (enum "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $enum)))
    (export "write" (func (param "level" $level) (param "message" string)))))
  (core module $memory (memory (export "memory") 1) (data (i32.const 0) "\ff\fe\c0\80\ed\a0\80"))
  (core instance $memory (instantiate $memory))
  (core func $write (canon lower (func $log "write") (memory (core memory $memory "memory"))))
  (core module $m
    (import "host" "write" (func $write (param i32 i32 i32)))
    (func (export "run") (result i32)
      (call $write (i32.const 0) (i32.const 0) (i32.const 7))
      (i32.const 0)))
  (core instance $i (instantiate $m
    (with "host" (instance (export "write" (func $write))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))
