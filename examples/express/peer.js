'use strict'

// The other side of the tests: any session, any value, at any moment, as JSON. Only with PEER=1.

const { promisify } = require('node:util')
const express = require('express')

const RealDate = Date
const waiting = new Map()

// Let Node's clock stand where the test's clock stands; null gives it back.
function setClock (ms) {
  if (ms === null) {
    globalThis.Date = RealDate
    return
  }
  globalThis.Date = class extends RealDate {
    constructor (...args) {
      if (args.length) super(...args)
      else super(ms)
    }

    static now () { return ms }
  }
}

function barrier (name) {
  if (!waiting.has(name)) {
    const gate = {}
    gate.held = new Promise(resolve => { gate.arrive = resolve })
    gate.released = new Promise(resolve => { gate.release = resolve })
    waiting.set(name, gate)
  }
  return waiting.get(name)
}

// Requests here have no session of their own.
function control (store) {
  const router = express.Router()
  router.post('/clock', (req, res) => { setClock(req.body.ms); res.json(true) })
  router.post('/held/:name', async (req, res) => {
    await barrier(req.params.name).held
    res.json(true)
  })
  router.post('/release/:name', (req, res) => {
    barrier(req.params.name).release()
    waiting.delete(req.params.name)
    res.json(true)
  })
  router.post('/createDatabaseTable', async (req, res) => {
    await store.createDatabaseTable()
    res.json(true)
  })
  router.post('/store/:verb', async (req, res) => {
    // The verbs take a callback; clearExpiredSessions of express-mysql-session does not.
    const { verb } = req.params
    const answer = verb === 'clearExpiredSessions'
      ? await store[verb]()
      : await promisify(store[verb]).apply(store, req.body)
    res.json(answer === undefined ? null : answer)
  })
  return router
}

const called = (object, method, ...args) => new Promise((resolve, reject) => {
  object[method](...args, error => error ? reject(error) : resolve())
})

// What a request can do to its session, by name; each is called with (req, ...arguments).
const steps = {
  set: (req, name, value) => { req.session[name] = value },
  delete: (req, name) => { delete req.session[name] },
  maxAge: (req, ms) => { req.session.cookie.maxAge = ms },
  expires: (req, date) => { req.session.cookie.expires = new Date(date) },
  save: req => called(req.session, 'save'),
  reload: req => called(req.session, 'reload'),
  regenerate: req => called(req.session, 'regenerate'),
  destroy: req => called(req.session, 'destroy'),
  login: (req, id, options = {}) => called(req, 'login', { id }, options),
  logout: (req, options = {}) => called(req, 'logout', options),
  hold: async (req, name) => {
    barrier(name).arrive()
    await barrier(name).released
  }
}

// POST [["set", "a", 1], ["hold", "x"], ...] runs the steps and answers what the session holds.
function peer () {
  const router = express.Router()
  router.post('/', async (req, res) => {
    const loaded = JSON.parse(JSON.stringify(req.session))
    for (const [step, ...args] of req.body) await steps[step](req, ...args)
    res.json({
      id: req.sessionID,
      loaded,
      session: req.session || null,
      user: req.user ? req.user.id : null
    })
  })
  return router
}

// Ids that come again, as those of a site that makes them from its users.
const genids = { user: () => 'user-7' }

module.exports = { control, genids, peer }
